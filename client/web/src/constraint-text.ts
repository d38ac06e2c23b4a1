// Finds the constraints of an LP text by name, to show them as they were written.

const SECTION = /^\s*(subject\s+to|such\s+that|st\.?|s\.t\.)\s*$/i;
const NEXT_SECTION =
  /^\s*(bounds?|generals?|gen|integers?|int|binar(?:y|ies)|bin|semi(?:-continuous|s)?|sos|end)\b/i;

/** The constraints with these names: the text between the label and the next one. */
export function constraintTexts(lp: string, names: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  let inConstraints = false;
  let name = "";
  let text = "";
  const keep = () => {
    if (names.has(name) && text) found.set(name, text.replace(/\s+/g, " ").trim());
    name = "";
    text = "";
  };
  for (const raw of lp.split(/\r?\n/)) {
    const line = raw.replace(/\\.*$/, "");
    if (!inConstraints) {
      inConstraints = SECTION.test(line);
      continue;
    }
    if (NEXT_SECTION.test(line) && !line.includes(":")) break;
    const label = /^\s*([^\s:]+)\s*:(.*)$/.exec(line);
    if (label) {
      keep();
      name = label[1] ?? "";
      text = label[2] ?? "";
    } else {
      text += ` ${line}`;
    }
  }
  keep();
  return found;
}

/** Relations as they are printed in books. */
export function typeset(text: string): string {
  return text.replace(/<=|=</g, "≤").replace(/>=|=>/g, "≥");
}
