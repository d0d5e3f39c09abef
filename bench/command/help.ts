import { SCENARIOS } from '../scenarios/scenarios.ts'

export const HELP: string = `headfirst's bench: when do clients see their first byte and their first event?

  npm run bench                                   the executors, in less than two minutes
  npm run bench -- --only block-5ms@1.5           one scenario
  npm run bench -- --only way-back,many-streams   what a thread costs, against what it is to replace
  npm run bench -- --executor ./mine.js           your own executor, beside the built-in ones
  npm run bench -- --producer ./mine.js           your own producer, on every executor
  npm run bench -- --compare workers,inline --only block-5ms@1.5 --rounds 12
                                                  is there a difference, and how sure is that?

Options
  --only NAME[,NAME]   only these scenarios. "block-5ms" means all that begin with "block-5ms@".
  --executor FILE      a module whose default export is an executor, or a function that makes one. It runs as
                       one more row of each scenario. (docs/writing-an-executor.md builds one.)
  --producer FILE      a module that exports one portable producer, as its default or as the only one. How long a
                       stream takes of one thread is measured first; then clients come at 0.5, 0.8 and 1.2 times
                       what one thread can serve, on each executor. It is called without input, and its streams
                       have to end by themselves. In place of all scenarios.
  --compare A,B        two executors (inline, microtask, deferred, workers, idle, own) in rounds A B, B A, …, with the
                       same clients in both halves of a round: the median of the rounds' ratios A ÷ B, with its
                       interval of 95 % (bootstrap), in words. First B runs against itself: what differs then is
                       noise. Of block-5ms@1.5, or what --only or --producer names, one with executors; 200
                       arrivals each, with --full all, and a p99.
  --rounds N           of --compare, and of the scenarios against a baseline, from 1 to 1000. Default of --compare:
                       10. Of fewer than six no interval is given.
  --full               everything: 1,000 arrivals, and so a p99, in every row of block-5ms, and the scenarios
                       against a baseline: three quarters of an hour.
  --quick              tiny counts, in a few seconds: shows that all works and that the counts agree, no more.
  --generators N       processes that make the load, from 1 to 64; together they make the same as one. Default 1,
                       which is enough for two cores. More where rows are INVALID because the generator was busy,
                       and the machine has cores for them.
  --seed N             of the arrival times, a whole number from 0. Default 1: each run has the same clients.
  --html FILE          write the report as one file, with all charts: percentiles, load, time. Needs no network.
  --json FILE          write everything, raw samples included (schema: profiler/report/schema.json).
  --picture FILE       write one SVG: the first byte by executor, in overload. The README's is made so:
                       npm run bench -- --only block-5ms@1.5 --picture docs/bench.svg
                       These three are also written when interrupted.
  --help               this text.

Scenarios
${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}

  block-Bms@L          clients arrive at random, L times as many as one thread can serve. Each gets an event,
                       then the producer computes for B ms, then comes another event. "idle" is the same server
                       and the same clients, with producers that do not compute.
  sleep-, async-       the same with producers that sleep in place (Atomics.wait), and that wait for a timer: there
                       no executor should win. With --only or --full, as are most loads of block-.
  events-per-second    one client takes one stream of 58-byte events as fast as they come. "@event": each event
                       is handed to the kernel at once; "@tick": what one turn of the loop sends leaves together.
  flush                block-5ms at 0.5 on bare node:http, with its head flushed ("node:http") and not: a run that
                       does not see the difference calls itself broken.
  baselines            the same on more servers: the other libraries, and headfirst. With --only or --full.
  encode               events to text, against a naive template and the encoders of other libraries.
  hand-off             from the call of an executor until the producer runs.

Scenarios against a baseline, in alternating rounds, with --only or --full
  way-back@D-F         one stream of 58-byte events from a thread to a client, D (string, object) as data, F
                       (event, tick) as above: workers against an executor that posts a message per event, and
                       that against a bare loop of messages. Events/s, and CPU of the server's main thread.
  many-streams         1,000 streams on one thread, 15 events/s each: CPU of the main thread, to inline.
  tokens               100 streams of 200 events, 50/s each: the same.
  burst-10000          one stream of 10,000 events, workers to inline, which may well win.
  idle-latency         one event each 20 ms: from the producer's stamp to the client, to inline.
  saturated            clients at 1.2 times what all cores can serve, on workers: first byte, to the same server
                       with nothing to compute; and that of a fast inline route beside.
  large, short         64 KiB events; 10,000 streams of one event: workers to inline, which may well win.
  peers                one stream of 58-byte events of JSON, inline with "tick", to @fastify/sse, better-sse,
                       fastify-sse-v2 and Hono, each in its fastest way. Events/s.
  open-close           10,000 streams of one event, to bare node:http: streams per second of the server's thread.
  idle-streams         1,000 to 5,000 open streams that send nothing, to bare node:http: memory of each.
  held                 10,000 open streams with an event a second each, then more until something bends, inline and on
                       workers; new clients beside them. With --only or --full.
  isolation            a fast inline route beside a slow one, on each executor: first byte, to the same alone.
  tls                  5,000 events/s on 200 streams, and streams of one event: CPU of the main thread, behind TLS
                       to without.
  compression@L        gzip, br, and zstd where Node has it, to no coding, inline and on workers. L is how events
                       come: "rhythm", 5,000/s on 200 streams; "json", "html", one stream as fast as they come,
                       of 58 bytes and of 2 KiB. CPU of the main thread and of the others, bytes on the wire.

Exit codes
  0 done, 1 crash (with --quick also: a stream has failed), 2 usage, 3 a row is
  INVALID (the load generator was late or busy, or the server did not get its core: stop what else runs
  here), 130 interrupted
`
