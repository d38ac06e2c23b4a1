// Models for tests.

/** A set cover that keeps a solver busy for a while and has many incumbents. */
export function hardCover(sets: number, elements: number): string {
  const random = sequence(7);
  const costs = Array.from({ length: sets }, () => 10 + Math.floor(random() * 90));
  const cost = costs.map((value, set) => `${value} s${set}`);
  const rows = Array.from({ length: elements }, (_, element) => {
    const terms = Array.from({ length: sets }, (_, set) => set)
      .filter(() => random() < 0.3)
      .map((set) => `${1 + Math.floor(random() * 20)} s${set}`);
    return ` e${element}: ${terms.join(" + ")} >= ${40 + Math.floor(random() * 40)}`;
  });
  const names = costs.map((_, set) => `s${set}`);
  return [
    "Minimize",
    ` cost: ${wrapped(cost)}`,
    "Subject To",
    ...rows,
    "General",
    ` ${names.join(" ")}`,
    "End",
    "",
  ].join("\n");
}

function wrapped(terms: readonly string[]): string {
  return terms.map((term, index) => (index % 12 === 11 ? `${term}\n ` : term)).join(" + ");
}

/** Numbers in [0, 1), the same on each run. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
