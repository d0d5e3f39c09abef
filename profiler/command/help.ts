/** What `headfirst profile --help` prints. */
export const HELP: string = `headfirst profile: what do the clients of an SSE endpoint see? Any server, any language.

  headfirst profile http://localhost:3000/ticks --rate 200 --duration 30s

Streams begin at random times, 200 a second, and wait for nobody: each time counts from the moment when a stream
was to begin, so that a server that stalls cannot hide its queue. If streams do not end by themselves, say when:

  headfirst profile http://localhost:3000/ticks --rate 50 --for 5s          leave after 5 s
  headfirst profile http://localhost:3000/ticks --rate 50 --events 20       leave after 20 events
  headfirst profile http://localhost:3000/ticks --find-capacity 'ttfb:p99<50' --events 20
  headfirst profile https://example.org/chat -d @prompt.json -H 'authorization: Bearer x' --rate 2

Load
  --rate N             streams begun per second. Default 20.
  --arrivals KIND      poisson (independent clients, the default) or uniform (evenly spaced).
  --seed N             of the arrival times. Default 1: each run has the same clients.
  --closed N           instead: N clients, each of which begins a stream when its last is over. They wait for the
                       server, so that a stall hides what would have come meanwhile: look at rates, not latency.
  --duration TIME      default 10s. Times are written 500ms, 30s, 2m.
  --warmup TIME        before that; what begins in it does not count. Default 1s.
  --connections KIND   new (one for each stream, the default) or keep-alive (one that is idle, if there is one).
  --hold N             open N more streams first, and keep them open.
  --generators N       processes that make the load, from 1 to 64. Default: one; where it has too much to do in the
                       warm-up, the run begins anew with twice as many, up to this machine's cores.

Request
  -X, --method M       default GET, with --data POST.
  -H, --header 'N: V'  repeatable.
  -d, --data TEXT      a body, or @FILE. Its content-type, unless you give one, is application/json.
  --unix-socket PATH   connect there; the URL still says what is asked for.
  --ca FILE            trust these certificates (PEM), of --server-profile too.   -k, --insecure   trust any.

When a stream is over (by itself, or)
  --events N           after its Nth event. One that ends before is "truncated".
  --for TIME           after so long, whatever has come.
  --timeout TIME       a stream that is not over so long after its intended start has failed. Default 10s.

What is measured besides TTFB, TTFE, gaps and rates
  --stamp WHERE        from when an event was sent until it came. WHERE in the event: json:KEY.KEY for ms since
                       1970 (Date.now()); ms for data that is that number; ns:KEY.KEY or ns for nanoseconds of
                       this host's monotonic clock (process.hrtime.bigint()).
  --slo LIMITS         ttfb:50,ttfe:500,gap:100,total:2000 in ms: goodput is streams per second within all.

Verdicts
  --threshold COND     'ttfb:p99<50', 'errors:rate<0.01'; repeatable. Exit code 99 if one does not hold. Metrics
                       ttfb, ttfe, gap, total, latency with min, mean, p50, p90, p95, p99, p99.9, max, in ms;
                       errors:rate (a share), goodput:rate, events:rate, bytes:rate (per second).
  --find-capacity COND the highest rate that holds: doubles from --rate, then bisects. Each step lasts --duration,
                       and with a p99 as long as 1,000 arrivals take.
  --precision N%       of the capacity. Default 10%.
  --compare FILE       ratios to a run that --json has written.

The server's own view, of a server with headfirst's option profile: { path, token }
  --server-profile URL --token TOKEN (or HEADFIRST_TOKEN in the environment, where ps does not show it)

Output
  --json FILE          everything, to be compared with later.    --html FILE   one page with charts.
  --self-check         measure the profiler itself against a server of known delays, and its ceiling.
  --help

Exit codes
  0 pass, 1 crash, 2 usage, 3 the measurement is INVALID (the generator was late or busy, or no stream was good),
  99 a threshold does not hold, 130 interrupted: what there is, is shown and written.
`
