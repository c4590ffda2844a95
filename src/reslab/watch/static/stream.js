// The one stream of news of all pages of this server that a browser shows: it opens six connections to a host, no more.

const ports = new Set();
let stream = null;

const close = () => { stream?.close(); stream = null; };

const open = () => {
  close();
  stream = new EventSource("../events");
  stream.onmessage = ({ data }) => ports.forEach((port) => port.postMessage({ data }));
  stream.onerror = () => {
    ports.forEach((port) => port.postMessage({ failed: true }));
    if (stream?.readyState === EventSource.CLOSED) setTimeout(() => { if (ports.size) open(); }, 5000);
  };
};

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data === "listen") { ports.add(port); if (stream?.readyState !== EventSource.OPEN) open(); }
    else { ports.delete(port); if (!ports.size) close(); }
  };
};
