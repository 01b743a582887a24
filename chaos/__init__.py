"""Programs in real processes that are killed, stopped, cut off and restarted, and then counted.

Each scenario has six workers, half of them libzmq's, and a promise that must hold whatever happens
to them, told from the outside, by what workers wrote down:

* `chaos.pipeline`: what was accepted was received once, waits, was dropped with a reason, or was in
  the hands of the kernel or of a worker when that was killed or cut off. Nothing arrives twice.
* `chaos.requests`: a request gets its own reply or none; afterwards every service answers again.
* `chaos.publishing`: a subscriber gets what it asked for in order, once, also after a restart.
* `chaos.partitions`: the first two in a network of their own, whose kernel cuts hosts off, where
  that is allowed.
* `chaos.proxying`: a proxy that is killed takes no client and no worker with it.
* `chaos.explored`: all of it once more in memory, under many seeds.

``python -m chaos --minutes 5`` runs them in turn; ``--seed 7`` makes the same choices again.
"""
