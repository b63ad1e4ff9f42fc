#!/usr/bin/env python3
"""heir.py that prints each step that it comes to.

watched_heir.py [STEP kill|wait]    when it first comes to STEP, it kills itself, or waits for SIGUSR1
"""
import os
import signal
import sys

import heir


class WatchedHeir(heir.Heir):
    def reached(self, step):
        heir.log(f"reached {step}")
        if sys.argv[1:] == [step, "kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        elif sys.argv[1:] == [step, "wait"]:
            del sys.argv[1:]
            signal.sigwait({signal.SIGUSR1})  # returns at once for a signal that has come already


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
heir.main(WatchedHeir)
