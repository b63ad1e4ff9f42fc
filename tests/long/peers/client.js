// A TLS client of node: what it reads from stdin it sends, what it receives it prints.
// client.js PORT CA VERSION CIPHERS [CERT KEY [SESSION]]; "" leaves one out. Says "Reused" or "New".
const fs = require('fs'), tls = require('tls');
const [port, ca, version, ciphers, cert, key, session] = process.argv.slice(2);
const options = {
  host: '127.0.0.1', port: Number(port), ca: fs.readFileSync(ca), minVersion: version,
  maxVersion: version, ciphers,
};
if (cert) Object.assign(options, { cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
if (session && fs.existsSync(session)) options.session = fs.readFileSync(session);
const socket = tls.connect(options, () => {
  process.stderr.write(socket.isSessionReused() ? 'Reused\n' : 'New\n');
  process.stdin.pipe(socket);
});
socket.on('session', (bytes) => { if (session) fs.writeFileSync(session, bytes); });
socket.pipe(process.stdout);
socket.on('error', (error) => { console.error(String(error)); process.exit(1); });
