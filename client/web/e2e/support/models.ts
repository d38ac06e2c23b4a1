// Models for the tests.

/** The product mix: for a rate r of Windows its optimum is max(1200 + 3 r, 600 + 6 r). */
export const WYNDOR = `Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End
`;

/** The best profit of the product mix, computed by hand. */
export function wyndorProfit(rate: number): number {
  return Math.max(1200 + 3 * rate, 600 + 6 * rate);
}

/**
 * A market split: solutions are found at once, but a proof takes days even for a few dozen
 * variables. So a solve runs until something stops it.
 */
export function marketSplit(seed = 1): string {
  let state = seed;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state % 100;
  };
  const names = Array.from({ length: 50 }, (_, index) => `x${index + 1}`);
  const rows = Array.from({ length: 6 }, (_, row) => {
    const weights = names.map(random);
    const half = Math.floor(weights.reduce((sum, weight) => sum + weight) / 2);
    const terms = weights.map((weight, index) => `${weight} ${names[index]}`).join(" + ");
    return ` split${row + 1}: ${terms} + under${row + 1} - over${row + 1} = ${half}`;
  });
  const slacks = [1, 2, 3, 4, 5, 6].map((row) => `under${row} + over${row}`).join(" + ");
  return [
    "Minimize",
    ` distance: ${slacks}`,
    "Subject To",
    ...rows,
    "Binaries",
    ` ${names.join(" ")}`,
    "End",
    "",
  ].join("\n");
}

/**
 * Projects with a worth, and budgets for them: good choices come at once, better ones over time,
 * and the bound comes down slowly. Its proof takes more than hours.
 */
export function projects(seed: number): string {
  let state = seed;
  const random = (low: number, high: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return low + (state % (high - low + 1));
  };
  const names = Array.from({ length: 250 }, (_, index) => `project${index + 1}`);
  const budgets = Array.from({ length: 30 }, () => names.map(() => random(1, 1000)));
  const worths = names.map((_, project) => {
    const costs = budgets.reduce((sum, budget) => sum + budget[project]!, 0);
    return Math.round(costs / budgets.length) + random(1, 500);
  });
  const sum = (numbers: readonly number[]) =>
    numbers.map((number, index) => `${number} ${names[index]}`).join("\n  + ");
  const rows = budgets.map((budget, index) => {
    const room = Math.floor(budget.reduce((total, cost) => total + cost) / 2);
    return ` budget${index + 1}: ${sum(budget)} <= ${room}`;
  });
  return [
    "Maximize",
    ` worth: ${sum(worths)}`,
    "Subject To",
    ...rows,
    "Binaries",
    ` ${names.join("\n ")}`,
    "End",
    "",
  ].join("\n");
}
