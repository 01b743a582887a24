"""Random programs: sockets of all types, random calls, cancellations and closings, then the books.

What is checked of each program, whatever it does: both message equations hold in every socket, at
all times and at the end; what a call returned is what the socket has counted; a cancelled ``send``
sent nothing; no message arrives twice; a request gets its own reply; every call raises only what
its documentation says; nothing hangs; and when it is over no task, descriptor or socket file is
left. The debug mode looks at the rest (`trio_mq.lowlevel.set_debug`).

``python -m fuzz.programs --minutes 5`` runs programs with new seeds; ``--seed 7 --programs 1``
repeats one. The same seed makes the same choices. Over inproc and the network in memory, in virtual
time, it is the same program to the last step. With the kernel's network it is not: there,
``--trace`` prints what led to a failure when it comes.
"""
