// How pm2's fork mode starts an app: a script of its own imports it.
await import('./server.js')
