"""The rules, by name. docs/runbook-check.md is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from omc.runbook.lint.model import Level, Rule

_E, _W, _N = Level.ERROR, Level.WARNING, Level.NOTE

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "aws-unknown-service", _E, "AWS's CLI has no such service", "The command ends before it asks AWS anything."
        ),
        Rule(
            "aws-unknown-command",
            _E,
            "The service has no such command",
            "The command ends before it asks AWS anything.",
        ),
        Rule(
            "aws-unknown-option", _E, "The command has no such option", "The command ends before it asks AWS anything."
        ),
        Rule(
            "aws-missing-option",
            _E,
            "An option is missing that the command can't do without",
            "The command only prints its usage.",
        ),
        Rule("aws-bad-value", _E, "The option can't have this value", "AWS or its CLI refuses the command."),
        Rule("aws-gone", _E, "The command is no longer there", "It was taken out of AWS's CLI."),
        Rule(
            "query-invalid",
            _E,
            "The query isn't JMESPath",
            "The CLI refuses it, in some cases after it has changed something.",
        ),
        Rule(
            "query-backticks",
            _E,
            "The shell takes the query's backticks for a command",
            "The shell runs the literal, and the query loses it.",
        ),
        Rule(
            "typographic",
            _E,
            "A dash or a quote of a word processor",
            "Pasted, it is a letter like any other: no option, no quotes.",
        ),
        Rule(
            "not-shell",
            _E,
            "A block that says it is shell is something else",
            "Pasted into a shell, its lines are commands that don't exist.",
        ),
        Rule("terraform-unknown-command", _E, "Terraform has no such command", "It only prints its usage."),
        Rule(
            "newest-revision",
            _E,
            "A roll back by the newest revision",
            "A family without a revision is its newest one: the one that is to be left.",
        ),
        Rule(
            "replication-group",
            _W,
            "A replication group's id where a cache cluster's is wanted",
            "The id of a replication group finds no cache cluster; its members' ids end in -001, -002.",
        ),
        Rule(
            "tasks-not-deployments",
            _W,
            "Tasks are listed where deployments are promised",
            "A list of tasks says nothing of deployments, their state or their time.",
        ),
        Rule(
            "apply-from-old-commit",
            _W,
            "An old commit is applied by hand",
            "What runs is no longer what main says; the next apply undoes it.",
        ),
        Rule(
            "never-returns",
            _W,
            "Commands below one that doesn't return",
            "Pasted as a block, they wait until somebody presses Ctrl-C.",
        ),
        Rule("unreachable", _W, "Commands below exit or exec", "They are never run; pasted, the shell itself ends."),
        Rule("placeholder", _W, "A blank that could be looked up", "Somebody fills it in at 3 a.m., from somewhere."),
        Rule(
            "one-environment",
            _W,
            "The commands act on one of several environments",
            "Whoever has trouble in another one changes this one.",
        ),
        Rule(
            "risky",
            _W,
            "A command that can't be taken back, without a safeguard",
            "It asks nobody, keeps nothing, or stops what runs.",
        ),
        Rule(
            "password-on-command-line",
            _W,
            "A secret on the command line",
            "It is in the shell's history and in the list of processes.",
        ),
        Rule(
            "percent-of-a-count",
            _W,
            "A percentage of a metric that is a number",
            "RDS gives DatabaseConnections as a count; per cent of what isn't said.",
        ),
        Rule(
            "time-without-season",
            _N,
            "A time in a zone's winter name",
            "AEST is UTC+10 all the year; Sydney's clocks show AEDT in summer.",
        ),
        Rule(
            "two-clocks",
            _W,
            "Two times for the same escalation",
            "One sentence lets the next person wait longer than the chain says.",
        ),
        Rule(
            "stale",
            _N,
            "Not looked at for a long time, or a review that is overdue",
            "What it says of consoles and commands may have gone.",
        ),
        Rule(
            "console-gone",
            _W,
            "A console that AWS has ended",
            "The page isn't there; its successor has another name and place.",
        ),
        Rule("dead-link", _W, "A link to a file that isn't there", "It leads nowhere on the night when it is wanted."),
        Rule("blank-contact", _W, "A contact that was never filled in", "There is nobody to call."),
    )
}
