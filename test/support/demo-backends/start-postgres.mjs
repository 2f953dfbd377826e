// Runs one Postgres for the demo in a restricted pod: TLS only, SCRAM only, as uid 1000.
// Mounted: /etc/postgres/{tls.crt,tls.key,superuser-password,operator-password}. Data: /data (gone with the pod).
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";

const bin = (name) => `/opt/postgres/bin/${name}`;
const secret = (name) => readFileSync(`/etc/postgres/${name}`, "utf8").trim();
const data = "/data/pg";

const SETTINGS = {
  listen_addresses: "*",
  port: "5432",
  unix_socket_directories: "/tmp",
  ssl: "on",
  ssl_cert_file: "/data/tls.crt",
  ssl_key_file: "/data/tls.key",
  ssl_min_protocol_version: "TLSv1.2",
  password_encryption: "scram-sha-256",
  max_connections: "200",
  log_min_messages: "warning",
};

if (!existsSync(data)) {
  writeFileSync("/tmp/superuser", secret("superuser-password"), { mode: 0o600 });
  execFileSync(
    bin("initdb"),
    [
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      "--pwfile=/tmp/superuser",
      "-E",
      "UTF8",
      "--no-locale",
      "--no-sync",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  writeFileSync(`${data}/pg_hba.conf`, "local all all trust\nhostssl all all all scram-sha-256\n");
  // The operator's role and its database, by the single-user backend: nothing listens yet.
  const role = `CREATE ROLE agentpg_operator LOGIN CREATEROLE CREATEDB PASSWORD '${secret("operator-password").replaceAll("'", "''")}';\n`;
  const single = (sql) =>
    execFileSync(bin("postgres"), ["--single", "-D", data, "postgres"], {
      input: sql,
      stdio: ["pipe", "ignore", "inherit"],
    });
  single(role);
  single("CREATE DATABASE agentpg OWNER agentpg_operator;\n");
}
for (const [from, to] of [
  ["tls.crt", "/data/tls.crt"],
  ["tls.key", "/data/tls.key"],
]) {
  copyFileSync(`/etc/postgres/${from}`, to);
  chmodSync(to, 0o600);
}
const server = spawn(
  bin("postgres"),
  ["-D", data, ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
  { stdio: "inherit" },
);
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.kill("SIGINT"));
server.on("exit", (code) => process.exit(code ?? 1));
