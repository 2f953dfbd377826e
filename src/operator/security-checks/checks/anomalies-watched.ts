import { type Check, failed, passed, unknown } from "../outcome.ts";

const WATCHED_MS = 15 * 60_000;

/** Somebody collects the metrics in which anomalies show. */
export const anomaliesWatched: Check = {
  name: "AnomaliesWatched",
  decide({ lastScrape: last, now }) {
    const remedy =
      "have Prometheus scrape the operator and the agents, with alerts on what it finds (docs/operations.md)";
    if (last === undefined)
      return unknown("NotScraped", `nobody has collected this operator's metrics since it started: ${remedy}`);
    if (now.getTime() - last <= WATCHED_MS)
      return passed(
        "Scraped",
        "the operator's metrics were collected within the last 15 minutes; whether alerts hang on them cannot be seen",
      );
    return failed(
      "ScrapingEnded",
      `nobody has collected the operator's metrics for 15 minutes, and somebody did before: ${remedy}`,
    );
  },
};
