# ruff: noqa
# tries: to write a file of the user
# shown without containment: yes
with open("@CANARY@", "a") as file:
    file.write("h4rm")
print("H4RM D0NE")
