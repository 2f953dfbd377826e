import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";

/** What tenants take on the disk of their server, in bytes, and in relations (tables, indexes, sequences, TOAST). */
interface Footprint {
  catalogs: number;
  tables: number;
  relations: number;
}

/** Shared catalogs (roles, memberships, dependencies on them) are in pg_catalog too. @param superuser of the operator's database */
async function footprint(superuser: ConnectionSettings): Promise<Footprint> {
  const client = new Client(clientOptions(superuser, "bench footprint"));
  await client.connect();
  try {
    const { rows } = await client.query<Record<keyof Footprint, string>>(
      `SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE n.nspname = 'pg_catalog' AND c.relkind = 'r') AS catalogs,
              coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE n.nspname ~ '^t_' AND c.relkind = 'r'), 0) AS tables,
              (SELECT count(*) FROM pg_class) AS relations
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`,
    );
    const number = (key: keyof Footprint) => Number(rows[0]?.[key]);
    return { catalogs: number("catalogs"), tables: number("tables"), relations: number("relations") };
  } finally {
    await client.end();
  }
}

/** What each of `count` tenants adds that `work` makes. */
export async function measureFootprint<T>(superuser: ConnectionSettings, count: number, work: () => Promise<T>) {
  const before = await footprint(superuser);
  const result = await work();
  const after = await footprint(superuser);
  const each = (key: keyof Footprint) => (after[key] - before[key]) / count;
  return {
    ...result,
    catalogBytesPerTenant: each("catalogs"),
    emptyTableBytesPerTenant: each("tables"),
    relationsPerTenant: each("relations"),
  };
}
