import { execFile } from "node:child_process";

/** What a program writes to its standard output. @throws when it ends with another code than these, with what it said */
export const output = (program: string, args: string[], codes: number[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === "number" && codes.includes(code)) return resolve(stdout);
      reject(
        new Error(`${program} ended with ${code}: ${stderr.slice(-2000)}${stdout.slice(-2000)}`, { cause: error }),
      );
    });
  });
