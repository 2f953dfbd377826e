import { type Dashboard, TENANT } from "./grafana.ts";

const AGENTS = 'job="agentpg-agents", tenant=~"$tenant"';
const OPERATOR = 'job="agentpg-operator", tenant=~"$tenant"';
const increase = (metric: string, by: string, time: string, more = "") =>
  `sum by (${by}) (increase(${metric}{${AGENTS}${more}}[${time}]))`;

export const tenantsDashboard: Dashboard = {
  uid: "agentpg-tenants",
  title: "AgentPG / Tenants",
  about: "What tenants use and spend, and how they are.",
  variables: [TENANT],
  rows: [
    {
      title: "Now",
      panels: [
        {
          kind: "stat",
          title: "Spent today",
          about: "Of the UTC day, over all agents of the tenants that are chosen.",
          unit: "currencyUSD",
          width: 6,
          targets: [[`sum(max by (tenant) (agentpg_tenant_spent_usd{${AGENTS}, period="day"}))`, "USD"]],
        },
        {
          kind: "stat",
          title: "Spent this month",
          about: "Of the UTC month.",
          unit: "currencyUSD",
          width: 6,
          targets: [[`sum(max by (tenant) (agentpg_tenant_spent_usd{${AGENTS}, period="month"}))`, "USD"]],
        },
        {
          kind: "stat",
          title: "Runs in this range",
          about: "That ended, by state.",
          unit: "short",
          width: 6,
          targets: [[increase("agentpg_runs_total", "state", "$__range"), "{{state}}"]],
        },
        {
          kind: "stat",
          title: "Runs at work",
          about: "At this moment, over all pods.",
          unit: "short",
          width: 6,
          targets: [[`sum(agentpg_runs_active{${AGENTS}})`, "active"]],
        },
        {
          kind: "bargauge",
          title: "Budget used",
          about: "Of each tenant's tightest budget; 0 without one.",
          unit: "percentunit",
          width: 8,
          warn: [0.8, 0.95],
          targets: [[`max by (tenant) (agentpg_budget_ratio{${AGENTS}})`, "{{tenant}}"]],
        },
        {
          kind: "table",
          title: "Not ready",
          about: "Tenants that are not ready, why, and for how long.",
          unit: "s",
          width: 8,
          targets: [[`max by (tenant, reason) (agentpg_tenant_not_ready_seconds{${OPERATOR}})`]],
        },
        {
          kind: "table",
          title: "Agents that are not ready",
          about: "Why, and for how long.",
          unit: "s",
          width: 8,
          targets: [[`max by (tenant, agent, reason) (agentpg_agent_not_ready_seconds{${OPERATOR}})`]],
        },
      ],
    },
    {
      title: "Spend",
      panels: [
        {
          kind: "timeseries",
          title: "USD an hour",
          about: "By tenant, from the price table.",
          unit: "currencyUSD",
          width: 8,
          stacked: true,
          targets: [
            [`3600 * sum by (tenant) (rate(agentpg_model_usd_total{${AGENTS}}[$__rate_interval]))`, "{{tenant}}"],
          ],
        },
        {
          kind: "timeseries",
          title: "Spent and budget of the day",
          about: "The budget is there where there is one.",
          unit: "currencyUSD",
          width: 8,
          targets: [
            [`max by (tenant) (agentpg_tenant_spent_usd{${AGENTS}, period="day"})`, "{{tenant}} spent"],
            [`max by (tenant) (agentpg_tenant_budget_usd{${AGENTS}, period="day"})`, "{{tenant}} budget"],
          ],
        },
        {
          kind: "timeseries",
          title: "Spent and budget of the month",
          about: "The budget is there where there is one.",
          unit: "currencyUSD",
          width: 8,
          targets: [
            [`max by (tenant) (agentpg_tenant_spent_usd{${AGENTS}, period="month"})`, "{{tenant}} spent"],
            [`max by (tenant) (agentpg_tenant_budget_usd{${AGENTS}, period="month"})`, "{{tenant}} budget"],
          ],
        },
        {
          kind: "timeseries",
          title: "USD an hour by model",
          about: "Over the tenants that are chosen.",
          unit: "currencyUSD",
          width: 8,
          stacked: true,
          targets: [
            [`3600 * sum by (model) (rate(agentpg_model_usd_total{${AGENTS}}[$__rate_interval]))`, "{{model}}"],
          ],
        },
        {
          kind: "timeseries",
          title: "Tokens a second",
          about: "By type. Reads from the cache cost a tenth.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [[`sum by (type) (rate(agentpg_model_tokens_total{${AGENTS}}[$__rate_interval]))`, "{{type}}"]],
        },
        {
          kind: "timeseries",
          title: "Tokens of the day and their budget",
          about: "The budget is there where there is one.",
          unit: "short",
          width: 8,
          targets: [
            [`max by (tenant) (agentpg_tenant_spent_tokens{${AGENTS}, period="day"})`, "{{tenant}} spent"],
            [`max by (tenant) (agentpg_tenant_budget_tokens{${AGENTS}, period="day"})`, "{{tenant}} budget"],
          ],
        },
      ],
    },
    {
      title: "Use",
      panels: [
        {
          kind: "timeseries",
          title: "Runs a second",
          about: "That ended, by tenant.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [[`sum by (tenant) (rate(agentpg_runs_total{${AGENTS}}[$__rate_interval]))`, "{{tenant}}"]],
        },
        {
          kind: "timeseries",
          title: "Failed runs",
          about: "By tenant and the error's type.",
          unit: "ops",
          width: 8,
          stacked: true,
          targets: [
            [
              `sum by (tenant, type) (rate(agentpg_run_failures_total{${AGENTS}}[$__rate_interval]))`,
              "{{tenant}} {{type}}",
            ],
          ],
        },
        {
          kind: "timeseries",
          title: "Requests that were refused",
          about: "By tenant and reason: rates, tokens, input.",
          unit: "reqps",
          width: 8,
          stacked: true,
          targets: [
            [
              `sum by (tenant, reason) (rate(agentpg_requests_refused_total{${AGENTS}}[$__rate_interval]))`,
              "{{tenant}} {{reason}}",
            ],
          ],
        },
      ],
    },
    {
      title: "Care",
      panels: [
        {
          kind: "timeseries",
          title: "Age of the database password",
          about: "It is changed after passwordRotationDays.",
          unit: "s",
          width: 6,
          targets: [[`max by (tenant) (agentpg_tenant_password_age_seconds{${OPERATOR}})`, "{{tenant}}"]],
        },
        {
          kind: "timeseries",
          title: "Rotations under way",
          about: "By step; gone when it is over.",
          unit: "s",
          width: 6,
          warn: [600, 1800],
          targets: [[`max by (tenant, step) (agentpg_tenant_rotation_seconds{${OPERATOR}})`, "{{tenant}} {{step}}"]],
        },
        {
          kind: "timeseries",
          title: "Since the last retention",
          about: "It runs about once a day.",
          unit: "s",
          width: 6,
          warn: [90_000, 172_800],
          targets: [
            [`time() - max by (tenant) (agentpg_retention_last_success_timestamp_seconds{${OPERATOR}})`, "{{tenant}}"],
          ],
        },
        {
          kind: "table",
          title: "Being deleted",
          about: "For how long, and what blocks it.",
          unit: "s",
          width: 6,
          targets: [[`max by (tenant, reason) (agentpg_tenant_deletion_seconds{${OPERATOR}})`]],
        },
      ],
    },
  ],
};
