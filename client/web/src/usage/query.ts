// Whose usage is shown, as it stands in the address: `#/usage?tenant=acme&key=ci`. Pure.

import type { Owner } from "./summary";

/** A part that is undefined stands for all. A tenant may have no name, so empty is one of them. */
export interface UsageQuery {
  tenant: string | undefined;
  key: string | undefined;
}

/** The query in an address. */
export function parseUsageQuery(params: URLSearchParams): UsageQuery {
  return { tenant: params.get("tenant") ?? undefined, key: params.get("key") ?? undefined };
}

/** The fragment of a query. */
export function usageHash({ tenant, key }: Partial<UsageQuery>): string {
  const parts = Object.entries({ tenant, key }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return parts.length > 0 ? `#/usage?${parts.join("&")}` : "#/usage";
}

/** Whether an owner is one of those that a query is about. */
export function matches({ tenant, key }: UsageQuery, owner: Owner): boolean {
  return (
    (tenant === undefined || tenant === owner.tenant) && (key === undefined || key === owner.key)
  );
}

/** A tenant by its name. */
export function tenantName(tenant: string): string {
  return tenant || "no tenant";
}

/** A key by its name. */
export function keyName(key: string): string {
  return key || "no key";
}
