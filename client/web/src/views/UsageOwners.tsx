// The usage of each tenant and key.

import { bytes, count, duration } from "../format";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { go } from "../router";
import { keyName, tenantName, usageHash } from "../usage/query";
import { type OwnerUsage, ownerId, SHOWN_DAYS } from "../usage/summary";
import { UsageBars } from "./UsageBars";

const COLUMNS: readonly Column<OwnerUsage>[] = [
  {
    key: "tenant",
    title: "Tenant",
    cell: ({ tenant }) => <a href={usageHash({ tenant })}>{tenantName(tenant)}</a>,
    by: ({ tenant }) => tenant,
  },
  {
    key: "key",
    title: "Key",
    cell: ({ tenant, key }) => <a href={usageHash({ tenant, key })}>{keyName(key)}</a>,
    by: ({ key }) => key,
  },
  {
    key: "live",
    title: "Live",
    hint: "Queued and running jobs",
    align: "right",
    width: "minmax(44px, 0.6fr)",
    wide: true,
    cell: ({ live }) => count(live.jobs),
    by: ({ live }) => live.jobs,
  },
  {
    key: "memory",
    title: "Memory",
    hint: "About what they take of a gateway’s memory",
    align: "right",
    wide: true,
    cell: ({ live }) => bytes(live.bytes),
    by: ({ live }) => live.bytes,
  },
  {
    key: "scenarios",
    title: "Scenarios",
    hint: "Of queued and running sweeps",
    align: "right",
    wide: true,
    cell: ({ live }) => count(live.scenarios),
    by: ({ live }) => live.scenarios,
  },
  {
    key: "jobs",
    title: "Jobs",
    hint: `Jobs that finished in ${SHOWN_DAYS} days`,
    align: "right",
    width: "minmax(52px, 0.8fr)",
    cell: ({ total }) => count(total.jobs),
    by: ({ total }) => total.jobs,
  },
  {
    key: "seconds",
    title: "Time",
    hint: `Solver time of jobs that finished in ${SHOWN_DAYS} days`,
    align: "right",
    width: "minmax(72px, 1fr)",
    cell: ({ total }) => duration(total.seconds),
    by: ({ total }) => total.seconds,
  },
  {
    key: "days",
    title: "By day",
    hint: "Solver time by day",
    width: "160px",
    wide: true,
    cell: ({ days }) => <UsageBars days={days} measure="seconds" />,
  },
];

const SEARCH = {
  placeholder: "Find a tenant or key",
  text: ({ tenant, key }: OwnerUsage) => `${tenantName(tenant)} ${keyName(key)}`,
};

/** From this number of owners on, one wants to search. */
const MANY = 10;

export function UsageOwners({ owners }: { owners: readonly OwnerUsage[] }) {
  return (
    <section class="mesh-section">
      <h2>Tenants and keys</h2>
      <VirtualTable
        label="Keys"
        rows={owners}
        columns={COLUMNS}
        rowKey={ownerId}
        version={owners}
        initialSort={{ key: "seconds", descending: true }}
        {...(owners.length >= MANY && { search: SEARCH })}
        onOpen={({ tenant, key }) => go(usageHash({ tenant, key }))}
        empty="Nobody has used the mesh yet."
        keys
      />
    </section>
  );
}
