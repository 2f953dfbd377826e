/** Real text has three to four bytes a token; what is denser (digits, base64) has about half of that. */
const BYTES_PER_TOKEN = 3;

/** About how many tokens so much text has. */
export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);
