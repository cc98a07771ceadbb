// What the pages do beyond HTML. Every one of them works without it.
import { start as startLive } from "./live.js";
import { start as startTimes } from "./times.js";
import { start as startTicks } from "./ticks.js";
import { start as startTheme } from "./theme_button.js";
import { start as startCopy } from "./copy.js";
import { start as startKeys } from "./hotkeys.js";

for (const start of [startTheme, startTimes, startTicks, startKeys, startCopy, startLive]) start(document);
