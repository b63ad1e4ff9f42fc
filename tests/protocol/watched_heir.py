#!/usr/bin/env python3
#!/usr/bin/env python3
"""heir.py that says each step it comes to.

    watched_heir.py [STEP kill|stop]    at that step it is killed, or stopped, by itself
"""
import os
import signal
import sys

import heir

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class WatchedHeir(heir.Heir):
    def reached(self, step):
        heir.log(f"reached {step}")
        if sys.argv[1:2] == [step]:
            os.kill(os.getpid(), SIGNALS[sys.argv[2]])


heir.main(WatchedHeir)
