/** What a program under test gets of this process's environment: where programs are, and where V8 keeps what it compiled (vitest.config.ts). */
export function programEnvironment(): Record<string, string> {
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}) };
}
