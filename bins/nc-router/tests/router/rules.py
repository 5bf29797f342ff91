"""The router's rules once more, from nc-router(8) and not from its source: what a house and its messages come to.

Reads one JSON object on standard input and writes one; table.rs makes the first and compares the second.
"""

import json
import re
import sys

CLOSED = {"/help", "/login", "/logout", "/doctor", "/config", "/remote-control"}
FOR_ADMINS = {"/clear", "/compact", "/context", "/cost", "/files"}


class House:
    def __init__(self, world):
        self.chats = {chat["id"]: chat for chat in world["chats"]}
        self.listeners = {}
        for wiring in sorted(world["wirings"], key=lambda w: (-w["priority"], w["id"])):
            self.listeners.setdefault(wiring["chat"], []).append(wiring)
        self.owners = set(world["owners"])
        self.admins = {(user, group) for user, group in world["admins"]}
        self.members = {(user, group) for user, group in world["members"]}
        self.name = world["assistant"]
        self.conversations = set()
        self.cleared = {}
        self.begun = set()

    def manages(self, user, group):
        return user in self.owners or (user, None) in self.admins or (user, group) in self.admins

    def knows(self, user, group):
        return user is not None and (self.manages(user, group) or (user, group) in self.members)

    def key(self, wiring, message):
        chat, thread = message["chat"], message["thread"]
        place = {"shared": (chat, None), "per-thread": (chat, thread), "agent-shared": (None, None)}
        return (wiring["group"],) + place[wiring["session_mode"]]

    def session(self, key):
        """The session that takes messages now; each clearing of one that was begun makes room for another."""
        return key + (self.cleared.get(key, 0),)

    def conversation(self, wiring, message):
        return self.session(self.key(wiring, message)) + (message["chat"], message["thread"])

    def called_by_name(self, text):
        text = text.strip()
        name = "@" + self.name
        if text[: len(name)].lower() != name.lower():
            return False
        rest = text[len(name) :]
        return not rest or not (rest[0].isalnum() or rest[0] == "_")

    def call(self, wiring, message):
        """(True, rule) where the message calls the agent, else (False, rule)."""
        text, direct = message["text"], not self.chats[message["chat"]]["is_group"]
        if message["kind"] != "message":
            return False, "not_a_message"
        if message["from_me"]:
            return False, "own_message"
        if message["is_bot"]:
            return False, "bot"
        if text is None or not text.strip():
            return False, "no_text"
        if wiring["engage_mode"] == "pattern":
            if wiring["pattern"] is not None:
                called, rule = bool(re.search(wiring["pattern"], text.strip(), re.IGNORECASE)), "pattern"
            elif wiring["is_main"]:
                called, rule = True, "main"
            elif direct:
                called, rule = True, "direct"
            else:
                called, rule = self.called_by_name(text), "trigger"
        else:
            called, rule = message["is_mention"] or direct, "mention"
            if not called and wiring["engage_mode"] == "mention-sticky":
                called, rule = self.conversation(wiring, message) in self.conversations, "sticky"
        if called:
            return True, rule
        return False, "accumulate" if wiring["ignored"] == "accumulate" else "drop_policy"

    def one(self, wiring, message):
        """The decision for one agent: decision, rule, and whether the message called it."""
        called, rule = self.call(wiring, message)
        user, group = message["sender"], wiring["group"]
        known = self.knows(user, group)
        outside = wiring["scope"] == "known" and not known
        if called:
            policy = self.chats[message["chat"]]["policy"]
            if not known and policy == "request_approval" and user is not None:
                return "held", "request_approval", True
            if not known and policy != "public":
                return "dropped", "unknown_sender", True
            if outside:
                return "dropped", "sender_scope", True
            return self.command(wiring, message) or ("work", rule, True)
        if outside and not message["from_me"]:
            return "dropped", "sender_scope", False
        return ("context" if wiring["ignored"] == "accumulate" else "ignored"), rule, False

    def command(self, wiring, message):
        words = message["text"].split()
        word = words[0].lower() if words else ""
        if word in CLOSED:
            return "command", "command_closed", True
        if word in FOR_ADMINS:
            if not self.manages(message["sender"], wiring["group"]):
                return "command", "command_refused", True
            return "command", "command", True
        return None

    def decide(self, message):
        rows, left, clears = [], [], []
        for wiring in self.listeners.get(message["chat"], []):
            decision, rule, called = self.one(wiring, message)
            if decision in ("ignored", "dropped"):
                left.append((decision, rule, called))
                continue
            session = None
            if decision in ("work", "context"):
                key = self.key(wiring, message)
                self.begun.add(self.session(key))
                session = "/".join(str(part) for part in self.session(key))
                sticky = wiring["engage_mode"] == "mention-sticky" and self.chats[message["chat"]]["is_group"]
                if decision == "work" and sticky and rule == "mention":
                    self.conversations.add(self.conversation(wiring, message))
            elif rule == "command" and message["text"].split()[0].lower() == "/clear":
                clears.append(self.key(wiring, message))
            rows.append([wiring["group"], decision, rule, session])
        for key in clears:
            if self.session(key) in self.begun:
                self.cleared[key] = self.cleared.get(key, 0) + 1
        forgotten = not rows and any(decision == "dropped" for decision, _, _ in left)
        away = [rule for decision, rule, called in left if called and decision == "dropped"]
        chat = self.chats[message["chat"]]
        alone = message["chat"] not in self.listeners
        if alone and (message["is_mention"] or not chat["is_group"]) and not (message["from_me"] or message["is_bot"]):
            away.append("no_wiring")
        if not rows:
            decision, rule = left[0][:2] if left else ("ignored", "no_wiring")
            rows.append([None, decision, rule, None])
        return {"rows": rows, "forgotten": forgotten, "turned_away": away[0] if away else None}


def main():
    world = json.load(sys.stdin)
    house = House(world)
    messages = [house.decide(message) for message in world["messages"]]
    json.dump({"messages": messages}, sys.stdout)


main()
