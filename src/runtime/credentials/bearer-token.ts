import { readSecretFile } from "../../process/secret-files.ts";
import { Watched } from "../../process/watched.ts";

/** What may stand in a header; anything else would be refused, or be read as a header of its own. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

/** The bearer token in a mounted file. */
export const bearerToken = (directory: string, file: string): Watched<string> =>
  new Watched(async () => {
    const token = await readSecretFile(directory, file);
    if (!TOKEN.test(token)) throw new Error(`${file} holds no bearer token`);
    return token;
  });
