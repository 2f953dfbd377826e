import { type Dashboard, TENANT } from "./grafana.ts";

const AGENTS = 'job="agentpg-agents", tenant=~"$tenant"';
const BROKERS = 'job="agentpg-brokers", tenant=~"$tenant"';
const OPERATOR = 'job="agentpg-operator", tenant=~"$tenant"';
const rate = (metric: string, by: string, more = "") =>
  `sum by (${by}) (rate(${metric}{${AGENTS}${more}}[$__rate_interval]))`;
const brokers = (metric: string, by: string) => `sum by (${by}) (rate(${metric}{${BROKERS}}[$__rate_interval]))`;

export const securityDashboard: Dashboard = {
  uid: "agentpg-security",
  title: "AgentPG / Security",
  about: "What was proved, who was refused, and how old keys are.",
  variables: [TENANT],
  rows: [
    {
      title: "Proved",
      panels: [
        {
          kind: "stat",
          title: "Checks that passed",
          about: "Rows of status.securityChecks, over the tenants that are chosen.",
          unit: "short",
          width: 6,
          targets: [[`count(min by (tenant, check) (agentpg_security_check{${OPERATOR}}) == 1)`, "passed"]],
        },
        {
          kind: "stat",
          title: "Checks that failed",
          about: "Not one should.",
          unit: "short",
          width: 6,
          warn: [1, 1],
          targets: [
            [`count(min by (tenant, check) (agentpg_security_check{${OPERATOR}}) == 0) or vector(0)`, "failed"],
          ],
        },
        {
          kind: "table",
          title: "Failed checks",
          about: "kubectl describe tenant says what was found, and the remedy.",
          unit: "short",
          width: 12,
          targets: [[`min by (tenant, check) (agentpg_security_check{${OPERATOR}}) == 0`]],
        },
        {
          kind: "stat",
          title: "NetworkPolicies are enforced",
          about: "1 yes, 0 no, as packets showed. Nothing while it is not known.",
          unit: "short",
          width: 6,
          low: [1, 1],
          targets: [['min(agentpg_network_policy_enforced{job="agentpg-operator"})', "enforced"]],
        },
        {
          kind: "timeseries",
          title: "Tenants in which a check passes",
          about: "By check.",
          unit: "short",
          width: 18,
          targets: [[`sum by (check) (min by (tenant, check) (agentpg_security_check{${OPERATOR}}))`, "{{check}}"]],
        },
      ],
    },
    {
      title: "Refused",
      panels: [
        {
          kind: "timeseries",
          title: "Requests refused for their token",
          about: "By tenant, agent and reason.",
          unit: "reqps",
          width: 8,
          stacked: true,
          targets: [
            [
              rate(
                "agentpg_requests_refused_total",
                "tenant, agent, reason",
                ', reason=~"unauthenticated|forbidden|too-many-bad-tokens"',
              ),
              "{{tenant}}/{{agent}} {{reason}}",
            ],
          ],
        },
        {
          kind: "timeseries",
          title: "Requests refused for their rate",
          about: "429, by tenant and agent.",
          unit: "reqps",
          width: 8,
          stacked: true,
          targets: [
            [
              rate("agentpg_requests_refused_total", "tenant, agent", ', reason="too-many-requests"'),
              "{{tenant}}/{{agent}}",
            ],
          ],
        },
        {
          kind: "timeseries",
          title: "Tool calls that were not made",
          about: "invalid or blocked, by tool.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [
            [
              rate("agentpg_tool_calls_total", "tenant, tool, outcome", ', outcome=~"invalid|blocked"'),
              "{{tenant}} {{tool}} {{outcome}}",
            ],
          ],
        },
        {
          kind: "timeseries",
          title: "Approvals",
          about: "Calls that wait for a person, and what was decided.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [[rate("agentpg_approvals_total", "outcome"), "{{outcome}}"]],
        },
        {
          kind: "timeseries",
          title: "Personal data and secrets",
          about: "That were found, by kind and what was done.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [[rate("agentpg_pii_findings_total", "kind, action"), "{{kind}} {{action}}"]],
        },
        {
          kind: "timeseries",
          title: "The model's key",
          about: "Attempts with a key that was refused or missing.",
          unit: "ops",
          width: 8,
          targets: [
            [rate("agentpg_model_errors_total", "tenant, type", ', type=~"api_key_.*"'), "{{tenant}} {{type}}"],
          ],
        },
      ],
    },
    {
      title: "Key brokers",
      panels: [
        {
          kind: "stat",
          title: "Key brokers that take calls",
          about: "Pods, by tenant. None while a tenant has one: its agents reach no model.",
          unit: "short",
          width: 6,
          low: [1, 1],
          targets: [[`sum by (tenant) (agentpg_broker_ready{${BROKERS}})`, "{{tenant}}"]],
        },
        {
          kind: "timeseries",
          title: "Calls through key brokers",
          about:
            "By tenant and what became of them: failed is an error of the model endpoint, refused the broker's own.",
          unit: "reqps",
          width: 9,
          stacked: true,
          targets: [[brokers("agentpg_broker_calls_total", "tenant, outcome"), "{{tenant}} {{outcome}}"]],
        },
        {
          kind: "timeseries",
          title: "Calls that a key broker refused",
          about: "By tenant and reason. token and attempts: whoever called is no agent's pod.",
          unit: "reqps",
          width: 9,
          stacked: true,
          targets: [[brokers("agentpg_broker_refused_total", "tenant, reason"), "{{tenant}} {{reason}}"]],
        },
        {
          kind: "timeseries",
          title: "Budgets, as the key brokers see them",
          about:
            "Spent part of the tightest; above what the agents say where one of them writes less down than it spends.",
          unit: "percentunit",
          width: 12,
          targets: [
            [`max by (tenant) (agentpg_broker_budget_ratio{${BROKERS}})`, "{{tenant}}"],
            [`max by (tenant) (agentpg_budget_ratio{${AGENTS}})`, "{{tenant}} by its agents"],
          ],
        },
        {
          kind: "timeseries",
          title: "What a key broker adds to a call",
          about: "Checks of token, body, model and budget: of 95 % of the calls at most.",
          unit: "s",
          width: 12,
          targets: [
            [`histogram_quantile(0.95, ${brokers("agentpg_broker_check_seconds_bucket", "tenant, le")})`, "{{tenant}}"],
          ],
        },
      ],
    },
    {
      title: "Keys",
      panels: [
        {
          kind: "timeseries",
          title: "Age of the API keys",
          about: "As long as the operator has known them.",
          unit: "s",
          width: 8,
          targets: [[`max by (tenant) (agentpg_api_key_age_seconds{${OPERATOR}})`, "{{tenant}}"]],
        },
        {
          kind: "timeseries",
          title: "Age of the database passwords",
          about: "Changed after passwordRotationDays.",
          unit: "s",
          width: 8,
          targets: [[`max by (tenant) (agentpg_tenant_password_age_seconds{${OPERATOR}})`, "{{tenant}}"]],
        },
        {
          kind: "table",
          title: "Data keys by key-encryption key",
          about: "One that wraps none may be removed.",
          unit: "short",
          width: 8,
          targets: [
            ['sum by (kek, current) (max by (server, kek, current) (agentpg_data_keys{job="agentpg-operator"}))'],
          ],
        },
      ],
    },
  ],
};
