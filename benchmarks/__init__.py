"""The comparison with other messaging libraries: ``python -m benchmarks``, or ``nox -s bench``.

::

    __main__            the command line
        works goals         what is measured, and what must be reached
        runner measure      interleaved repetitions; the processes of one measurement
        report statistics   what was measured, as data; medians, spreads and ratios
        table charts page   the terminal, SVG, the page of the documentation
        regression          today's ratios against stored ones
    worker              one process of a measurement: a peer in a role, told what to do by a `Job`
        peers/              each library, in the roles that it can play
        loops/              the inner loops and checks, the same for every library
"""
