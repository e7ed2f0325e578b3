// Passes each request on to the origin, and what comes back to the client.

export default {
  fetch(request, { ORIGIN }) {
    return fetch(ORIGIN + new URL(request.url).pathname, request);
  },
};
