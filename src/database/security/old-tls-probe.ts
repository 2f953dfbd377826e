import { connect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import type { ConnectionSettings } from "../connection.ts";

/** What a client asks for TLS with: the length 8, and a number in the place of a protocol version. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const TIMEOUT_MS = 5_000;

/** The server's whole answer: one letter. @throws when the connection breaks */
const answerTo = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.once("data", (data) => resolve(data.subarray(0, 1).toString()));
    socket.once("error", reject).once("close", () => reject(new Error("closed")));
    socket.write(SSL_REQUEST);
  });

const shakesHands = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    const secure = tlsConnect({
      socket,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      // What OpenSSL has such old versions with; nothing is sent over it, so nobody has to prove who they are.
      ciphers: "DEFAULT@SECLEVEL=0",
      rejectUnauthorized: false,
    });
    secure.once("secureConnect", () => resolve(true)).once("error", () => resolve(false));
    secure.once("close", () => resolve(false));
  });

/**
 * Whether the server shakes hands over TLS 1.1 or older; no login is tried. undefined: it could not be reached, or speaks no TLS.
 */
export async function takesOldTls({ host, port }: ConnectionSettings): Promise<boolean | undefined> {
  const socket = connect({ host, port }).setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
  socket.on("error", () => {}); // one that breaks late must not end the process
  try {
    return (await answerTo(socket)) === "S" ? await shakesHands(socket) : undefined;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
