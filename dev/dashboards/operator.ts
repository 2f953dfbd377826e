import { type Dashboard, quantile } from "./grafana.ts";

const OPERATOR = 'job="agentpg-operator"';
const rate = (metric: string, by: string, more = "") =>
  `sum by (${by}) (rate(${metric}{${OPERATOR}${more}}[$__rate_interval]))`;

export const operatorDashboard: Dashboard = {
  uid: "agentpg-operator",
  title: "AgentPG / Operator",
  about: "Whether the operator runs, hears, and gets done what it is asked for.",
  variables: [],
  rows: [
    {
      title: "State",
      panels: [
        {
          kind: "stat",
          title: "Leaders",
          about: "Exactly one leads, of each release.",
          unit: "short",
          width: 4,
          low: [1, 1],
          targets: [
            [`sum by (name) (leader_election_master_status{${OPERATOR}, name=~"agentpg-operator.*"})`, "{{name}}"],
          ],
        },
        {
          kind: "stat",
          title: "Operators up",
          about: "Pods that answer Prometheus.",
          unit: "short",
          width: 4,
          low: [1, 1],
          targets: [[`sum(up{${OPERATOR}})`, "up"]],
        },
        {
          kind: "stat",
          title: "Tenants",
          about: "By state, as the leader and the others see them.",
          unit: "short",
          width: 8,
          targets: [[`max by (state) (agentpg_tenants{${OPERATOR}})`, "{{state}}"]],
        },
        {
          kind: "stat",
          title: "Agents",
          about: "By state.",
          unit: "short",
          width: 8,
          targets: [[`max by (state) (agentpg_agents{${OPERATOR}})`, "{{state}}"]],
        },
      ],
    },
    {
      title: "Reconciles",
      panels: [
        {
          kind: "timeseries",
          title: "Reconciles by result",
          about: "Looks at Tenants and Agents. At rest: one each per resync.",
          unit: "ops",
          width: 8,
          targets: [[rate("controller_runtime_reconcile_total", "controller, result"), "{{controller}} {{result}}"]],
        },
        {
          kind: "timeseries",
          title: "Failed reconciles",
          about: "error: tried again. terminal: not before the object changes.",
          unit: "ops",
          width: 8,
          targets: [
            [rate("controller_runtime_reconcile_errors_total", "controller"), "{{controller}} error"],
            [rate("controller_runtime_terminal_reconcile_errors_total", "controller"), "{{controller}} terminal"],
          ],
        },
        {
          kind: "timeseries",
          title: "How long one takes",
          about: "Median and 99th percentile.",
          unit: "s",
          width: 8,
          targets: [
            [quantile(0.5, "controller_runtime_reconcile_time_seconds", OPERATOR, "controller"), "{{controller}} p50"],
            [quantile(0.99, "controller_runtime_reconcile_time_seconds", OPERATOR, "controller"), "{{controller}} p99"],
          ],
        },
        {
          kind: "timeseries",
          title: "Keys that wait",
          about: "By priority: 0 for changes, -100 for the backlog of a start.",
          unit: "short",
          width: 8,
          targets: [[`sum by (name, priority) (workqueue_depth{${OPERATOR}})`, "{{name}} {{priority}}"]],
        },
        {
          kind: "timeseries",
          title: "How long a key waits",
          about: "99th percentile.",
          unit: "s",
          width: 8,
          targets: [[quantile(0.99, "workqueue_queue_duration_seconds", OPERATOR, "name"), "{{name}}"]],
        },
        {
          kind: "timeseries",
          title: "Workers",
          about: "Reconciles under way, and how many may be (operator.concurrency).",
          unit: "short",
          width: 8,
          targets: [
            [`sum by (controller) (controller_runtime_active_workers{${OPERATOR}})`, "{{controller}} at work"],
            [
              `max by (controller) (controller_runtime_max_concurrent_reconciles{${OPERATOR}})`,
              "{{controller}} at most",
            ],
          ],
        },
        {
          kind: "timeseries",
          title: "Longest under way",
          about: "Grows while something is stuck.",
          unit: "s",
          width: 8,
          warn: [300, 900],
          targets: [[`max by (name) (workqueue_longest_running_processor_seconds{${OPERATOR}})`, "{{name}}"]],
        },
        {
          kind: "timeseries",
          title: "Keys added, keys put back",
          about: "Put back: after a failure.",
          unit: "ops",
          width: 16,
          targets: [
            [rate("workqueue_adds_total", "name"), "{{name}} added"],
            [rate("workqueue_retries_total", "name"), "{{name}} put back"],
          ],
        },
      ],
    },
    {
      title: "API server",
      panels: [
        {
          kind: "timeseries",
          title: "Requests by status",
          about: "409 now and then is normal; 429 and 5xx are the API server's trouble.",
          unit: "reqps",
          width: 12,
          targets: [[rate("rest_client_requests_total", "code, method"), "{{method}} {{code}}"]],
        },
        {
          kind: "timeseries",
          title: "Silence of the watches",
          about: "Bookmarks come about every minute. Over four minutes the operator is not ready.",
          unit: "s",
          width: 8,
          warn: [150, 240],
          targets: [[`max by (kind) (agentpg_watch_silence_seconds{${OPERATOR}})`, "{{kind}}"]],
        },
        {
          kind: "stat",
          title: "Unreadable objects",
          about: "Left alone until somebody mends them.",
          unit: "short",
          width: 4,
          warn: [1, 1],
          targets: [[`max by (kind) (agentpg_unreadable_objects{${OPERATOR}})`, "{{kind}}"]],
        },
      ],
    },
    {
      title: "Postgres",
      panels: [
        {
          kind: "timeseries",
          title: "Migrations",
          about: "Tenants by the state of their schema.",
          unit: "short",
          width: 8,
          stacked: true,
          targets: [[`sum by (state) (max by (server, state) (agentpg_tenant_migrations{${OPERATOR}}))`, "{{state}}"]],
        },
        {
          kind: "stat",
          title: "Rollout",
          about: "1 for what it is in.",
          unit: "short",
          width: 4,
          targets: [[`max by (state) (agentpg_migration_rollout_state{${OPERATOR}})`, "{{state}}"]],
        },
        {
          kind: "timeseries",
          title: "How long a migration takes",
          about: "95th percentile, by result.",
          unit: "s",
          width: 6,
          targets: [[quantile(0.95, "agentpg_tenant_migration_duration_seconds", OPERATOR, "result"), "{{result}}"]],
        },
        {
          kind: "timeseries",
          title: "Rows removed by retention",
          about: "By kind.",
          unit: "ops",
          width: 6,
          targets: [[rate("agentpg_retention_rows_removed_total", "kind"), "{{kind}}"]],
        },
      ],
    },
    {
      title: "Process",
      panels: [
        {
          kind: "timeseries",
          title: "CPU",
          about: "Seconds of CPU a second.",
          unit: "short",
          width: 8,
          targets: [[`rate(process_cpu_seconds_total{${OPERATOR}}[$__rate_interval])`, "{{instance}}"]],
        },
        {
          kind: "timeseries",
          title: "Memory",
          about: "Resident. The chart's limit is 384 MiB.",
          unit: "bytes",
          width: 8,
          targets: [[`process_resident_memory_bytes{${OPERATOR}}`, "{{instance}}"]],
        },
        {
          kind: "timeseries",
          title: "Event loop lag",
          about: "99th percentile. High: the process has too little CPU.",
          unit: "s",
          width: 8,
          warn: [0.2, 1],
          targets: [[`nodejs_eventloop_lag_p99_seconds{${OPERATOR}}`, "{{instance}}"]],
        },
      ],
    },
  ],
};
