/* Files to take away: written by the server from the marks as they are saved, so what is not saved yet is saved first. */

import { api } from "../api.js";
import { byId, download, fill, h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { attempt } from "../toasts.js";
import { predictionPath } from "./following.js";

const FORMATS = [
  { id: "csv", action: "/export.csv", sign: "file-csv", name: "CSV" },
  { id: "json", action: "/export.json", sign: "file", name: "JSON" },
  { id: "pdf", action: "/export.pdf", sign: "file-pdf", name: "PDF" },
  { id: "seg", action: "/export/seg.dcm", sign: "file-medical", name: "DICOM SEG", dicom: true },
  { id: "sr", action: "/export/sr.dcm", sign: "file-medical", name: "DICOM SR", dicom: true },
];

export class Exports {
  /**
   * @param {string} predictionId
   * @param {{threshold: () => number, flush: () => Promise<void>}} page
   */
  constructor(predictionId, page) {
    this.predictionId = predictionId;
    this.page = page;
  }

  show({ has_original_dicom: isDicom }) {
    const shown = FORMATS.filter(({ dicom }) => !dicom || isDicom);
    fill(byId("exports"), shown.map((format) => this.#link(format)));
    byId("no-dicom").hidden = Boolean(isDicom);
  }

  #link({ id, action, sign, name }) {
    const link = h("a.button.button-small", { href: predictionPath(this.predictionId, action), download: "", "data-testid": `export-${id}`, "aria-label": t("predict.export_as", { format: name }) }, icon(sign), name);
    link.addEventListener("click", async (event) => {
      event.preventDefault(); // the server may refuse, and a download that breaks off says nothing
      link.setAttribute("aria-busy", "true");
      await attempt(null, async () => {
        await this.page.flush();
        const { blob, name: file } = await api.file(`${link.href}?threshold=${this.page.threshold()}`);
        download(file, blob);
      });
      link.removeAttribute("aria-busy");
    });
    return link;
  }
}
