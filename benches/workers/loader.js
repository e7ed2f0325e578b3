// Many workers in one workerd: the first label of the host names one, and the loader makes it when
// it is asked for the first time. `source` and `vars` are modules that the bench writes.

import source from "source";
import vars from "vars";

export default {
  fetch(request, { LOADER }) {
    const name = request.headers.get("host").split(".", 1)[0];
    const worker = LOADER.get(name, () => ({
      compatibilityDate: "2026-08-01",
      mainModule: "index.js",
      modules: { "index.js": source },
      env: vars,
      globalOutbound: null,
    }));
    return worker.getEntrypoint().fetch(request);
  },
};
