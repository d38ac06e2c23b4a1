/** A model to start from. */
export interface Example {
  /** Its name, which becomes that of the job. */
  name: string;
  /** What it is, for the menu. */
  title: string;
  /** What happens when it is solved, for the menu. */
  hint: string;
  /** The model in the LP format. */
  lp: string;
}

const WYNDOR = `\\ Wyndor Glass: how many batches of doors and windows to make in a week.
\\ The optimum is 3600 with 2 batches of doors and 6 of windows.
Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End
`;

const BACKPACK = `\\ What to take on a hike: at most 15 kg and 40 litres, of the two stoves
\\ at most one, and the map only with the compass. The best is worth 259.
Maximize
 worth: 60 tent + 50 bag + 24 gasstove + 19 woodburner + 55 food
  + 48 water + 22 coat + 26 camera + 14 map + 8 compass
Subject To
 weight: 3.2 tent + 1.8 bag + 1.1 gasstove + 0.7 woodburner + 4.5 food
  + 4 water + 0.9 coat + 1.6 camera + 0.1 map + 0.2 compass <= 15
 volume: 12 tent + 11 bag + 3 gasstove + 2 woodburner + 9 food
  + 4 water + 4 coat + 3 camera + 0.5 map + 0.5 compass <= 40
 stoves: gasstove + woodburner <= 1
 mapneeds: map - compass <= 0
Binaries
 tent bag gasstove woodburner food water coat camera map compass
End
`;

const TRANSPORT = `\\ Ship goods from three plants to four cities as cheaply as possible.
\\ A plant has a limited supply, a city a demand; costs are per tonne.
\\ The duals tell what one more tonne of demand would cost.
Minimize
 cost: 8 Essen_Berlin + 5 Essen_Hamburg + 6 Essen_Koeln + 9 Essen_Ulm
  + 4 Leipzig_Berlin + 7 Leipzig_Hamburg + 10 Leipzig_Koeln + 8 Leipzig_Ulm
  + 11 Mainz_Berlin + 9 Mainz_Hamburg + 3 Mainz_Koeln + 4 Mainz_Ulm
Subject To
 supply_Essen: Essen_Berlin + Essen_Hamburg + Essen_Koeln + Essen_Ulm <= 120
 supply_Leipzig: Leipzig_Berlin + Leipzig_Hamburg + Leipzig_Koeln + Leipzig_Ulm <= 150
 supply_Mainz: Mainz_Berlin + Mainz_Hamburg + Mainz_Koeln + Mainz_Ulm <= 130
 demand_Berlin: Essen_Berlin + Leipzig_Berlin + Mainz_Berlin >= 130
 demand_Hamburg: Essen_Hamburg + Leipzig_Hamburg + Mainz_Hamburg >= 90
 demand_Koeln: Essen_Koeln + Leipzig_Koeln + Mainz_Koeln >= 100
 demand_Ulm: Essen_Ulm + Leipzig_Ulm + Mainz_Ulm >= 60
End
`;

const INFEASIBLE = `\\ A bakery's week, with more promised than the oven can bake. There is no
\\ solution; the job's tab "Why" names the constraints that contradict.
Minimize
 cost: 2 bread + 3 cake + 4 pie
Subject To
 oven_hours: bread + 2 cake + 1.5 pie <= 40
 flour: 0.6 bread + 0.3 cake + 0.4 pie <= 60
 order_market: bread >= 24
 order_hotel: cake >= 10
 order_school: pie + cake >= 12
Bounds
 pie <= 30
End
`;

const UNBOUNDED = `\\ Nothing limits x and y together: both can grow for ever. The result has a
\\ direction in which the profit rises without end. Often a constraint is missing.
Maximize
 profit: 2 x + y
Subject To
 balance: x - y <= 10
 least: x + y >= 4
End
`;

/** The seconds-long one: enough independent capacities that the bound closes slowly. */
const HARD = { variables: 70, constraints: 5, seed: 20 };

/** A knapsack with several capacities and fixed pseudo-random numbers, which takes seconds. */
function hardKnapsack(): string {
  let state = HARD.seed;
  // The "minimal standard" generator: the same numbers in every browser.
  const random = (low: number, high: number) => {
    state = (state * 48271) % 2147483647;
    return low + (state % (high - low + 1));
  };
  const names = Array.from({ length: HARD.variables }, (_, index) => `x${index + 1}`);
  const rows = Array.from({ length: HARD.constraints }, () => names.map(() => random(1, 1000)));
  const sum = (terms: string[]) =>
    terms
      .map((term, index) => (index % 10 === 9 ? `${term}\n ` : term))
      .join(" + ")
      .trimEnd();
  const worth = names.map((name, index) => {
    const weight = rows.reduce((total, row) => total + (row[index] ?? 0), 0) / rows.length;
    return `${Math.round(weight) + random(1, 500)} ${name}`;
  });
  const constraints = rows.map((row, index) => {
    const terms = row.map((weight, column) => `${weight} ${names[column]}`);
    const capacity = Math.floor(row.reduce((total, weight) => total + weight, 0) / 2);
    return ` room${index + 1}: ${sum(terms)} <= ${capacity}`;
  });
  return [
    `\\ A knapsack with ${HARD.constraints} capacities and ${HARD.variables} items. Good solutions come at once, the proof`,
    "\\ takes a while: watch the bound meet them, or stop it and keep the best.",
    "Maximize",
    ` worth: ${sum(worth)}`,
    "Subject To",
    ...constraints,
    "Binaries",
    ` ${names
      .map((name, index) => (index % 20 === 19 ? `${name}\n` : name))
      .join(" ")
      .trimEnd()}`,
    "End",
    "",
  ].join("\n");
}

/** The examples, in the order of the menu. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "wyndor",
    title: "Wyndor Glass",
    hint: "a small product mix; its optimum is 3600",
    lp: WYNDOR,
  },
  {
    name: "backpack",
    title: "Backpack",
    hint: "ten items, each taken or not",
    lp: BACKPACK,
  },
  {
    name: "transport",
    title: "Transport",
    hint: "plants to cities at least cost, with duals",
    lp: TRANSPORT,
  },
  {
    name: "bakery",
    title: "Bakery, overbooked",
    hint: "infeasible; the job says why",
    lp: INFEASIBLE,
  },
  {
    name: "unbounded",
    title: "A missing limit",
    hint: "unbounded; the job shows a direction",
    lp: UNBOUNDED,
  },
  {
    name: "hard-knapsack",
    title: "Hard knapsack",
    hint: "a MIP of many seconds, to watch and to stop",
    lp: hardKnapsack(),
  },
];
