/** What is asked at the same time: most of it is waiting for others. */
const WORKERS = 6;

/** Does all of them, a few at a time. @throws what the first that failed threw */
export async function sideBySide<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const left = all.values();
  const worker = async () => {
    for (const one of left) await work(one);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}
