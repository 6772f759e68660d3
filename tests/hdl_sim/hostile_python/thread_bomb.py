# ruff: noqa
# tries: to start threads without end
# shown without containment: yes
import threading
import time

threading.stack_size(65536)
for count in range(300):
    try:
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
    except RuntimeError as error:
        print(error)
        break
else:
    print("H4RM D0NE")
