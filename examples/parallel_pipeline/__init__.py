"""Count the identifiers of many Python files with many processes, and lose none of them.

Each part is a process of its own, and a file here::

    command      starts the others, watches, asks for the result and checks it
    ventilator   hands out files, and hands out again what a lost worker had
    worker       counts the identifiers of one file after another
    sink         adds up the tables, and tells everybody how far it is

This is what they say to one another, over tcp:

==========================  =========  ================================================
from → to                   sockets    message
==========================  =========  ================================================
ventilator → workers        Push/Pull  file name, source
workers → sink              Push/Pull  file name, worker, size, table (JSON)
sink → ventilator           Push/Pull  file name: this one is done
sink → whoever subscribes   Pub/Sub    ``progress``, figures (JSON)
whoever asks ↔ sink         Req/Rep    ``top 5`` or ``totals``; the answer (JSON)
==========================  =========  ================================================

Run it in the folder above with ``python -m parallel_pipeline``; ``--help`` names the options.
"""
