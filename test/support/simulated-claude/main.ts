// The simulated endpoint as a program of its own: PORT (18080), HOST (127.0.0.1), CONFIG (JSON of SimulatedConfig).
import { SimulatedClaude } from "./server.ts";

const { PORT = "18080", HOST = "127.0.0.1", CONFIG = '{"chunks":"words","chunkDelayMs":15}' } = process.env;
const claude = new SimulatedClaude(JSON.parse(CONFIG));
console.log(`simulated Claude on ${await claude.listen(Number(PORT), HOST)} pid ${process.pid}`);
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void claude.close().then(() => process.exit(0)));
