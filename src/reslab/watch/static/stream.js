// One event stream for all of this server's pages in a browser, which opens at most six connections to a host.

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
