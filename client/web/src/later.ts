// The parts of the page that are loaded when they are first needed, as later.js.

// What the page begins with, and what these parts share with it; see build.mjs.
import "./main";

export { Mesh } from "./views/Mesh";
export { TokenDialog, TokenPanel } from "./views/Token";
export { Usage } from "./views/Usage";
