"""Stands in for systemd: opens the sockets, starts a service with them, and prints what the service says until it ends.

Usage: service_manager.py DIRECTORY COMMAND...; DIRECTORY/link and DIRECTORY/control are passed as `listen` and `control`.
"""

import os
import signal
import socket
import sys

directory, command = sys.argv[1], sys.argv[2:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(directory + "/notify")
listeners = []
for name in ("link", "control"):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{directory}/{name}")
    listener.listen(16)
    listeners.append(listener)
child = os.fork()
if child == 0:
    copies = [os.dup(listener.fileno()) for listener in listeners]
    for number, copy in enumerate(copies):
        os.dup2(copy, 3 + number, inheritable=True)
    environment = dict(
        os.environ,
        LISTEN_FDS="2",
        LISTEN_PID=str(os.getpid()),
        LISTEN_FDNAMES="link:control",
        NOTIFY_SOCKET=directory + "/notify",
        WATCHDOG_USEC="100000",
    )
    os.execvpe(command[0], command, environment)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
notify.settimeout(0.1)
while True:
    try:
        print(notify.recv(4096).decode(), flush=True)
    except socket.timeout:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            sys.exit(os.waitstatus_to_exitcode(status))
