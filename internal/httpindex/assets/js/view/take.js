// What can be taken away: what is seen, the file, and the incident bundle.

import { filePath, url } from "../lib/api.js";
import { byId } from "../lib/dom.js";
import { settings } from "../lib/settings.js";
import { readTime, stamp, timeIn } from "../lib/time.js";
import { copy } from "./clipboard.js";
import { open } from "./dialogs.js";

/**
 * @param {() => {source: import("./source.js").Source, time: string}} current what is seen, and the time of the line that is pointed to
 * @param {(text: string) => void} say
 */
export function takeDialog(current, say) {
  const [time, minutes, get, command, wrong] = ["bundle-time", "bundle-minutes", "bundle-get", "bundle-command", "bundle-error"].map(byId);
  byId("bundle").addEventListener("click", () => {
    const { source, time: at } = current();
    byId("take-seen").href = source.textURL(source.single ? { format: "text", download: "1" } : { format: "text" });
    byId("take-file-row").hidden = !source.single;
    if (source.single) byId("take-file").href = url(filePath(source.files[0]), new URLSearchParams({ download: "1" }));
    const t = timeIn(at || stamp(Date.now()), settings.zone === "sent" ? "server" : settings.zone);
    time.value = t ? `${t.date} ${t.clock}` : "";
    make();
    open("bundle-dialog");
  });
  function make() {
    try {
      const at = Date.parse(readTime(time.value, settings.zone));
      const around = Math.min(1440, Math.max(1, Number(minutes.value) || 0)) * 60_000;
      const address = url("archive.zip", new URLSearchParams({ since: stamp(at - around), until: stamp(at + around) }));
      wrong.textContent = "";
      get.href = address;
      get.removeAttribute("aria-disabled");
      command.textContent = `curl -fOJ '${address}'`;
    } catch (err) {
      wrong.textContent = /** @type {Error} */ (err).message;
      get.removeAttribute("href");
      get.setAttribute("aria-disabled", "true");
    }
  }
  time.addEventListener("input", make);
  minutes.addEventListener("input", make);
  byId("bundle-copy").addEventListener("click", async () => {
    say((await copy(command.textContent)) ? "The command is copied" : "The browser does not let the page copy");
  });
}
