"""What operators give: settings, options of commands, files that commands read."""

from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.autoscale.recorded import read_series
from streams.cli.command_acl import users_of
from streams.cli.command_capacity import read_types
from streams.cli.command_fleet import rules_of
from streams.cli.command_heal import read_runbook_file
from streams.cli.command_secret import descriptor_of
from streams.cli.common import policy_numbers
from streams.cli.doctor_checks import ended_up
from streams.errors import OperatorError
from streams.health.log_files import Columns, lines_of
from streams.health.series_files import hosts_of
from streams.kafka.acl_table import bindings, commands
from streams.kafka.security import client_options, faust_options
from streams.kafka.trio import Remembered
from streams.load.running import Asked
from streams.settings import settings_of
from streams.supervise.up_file import UpView, read_up_file
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, Refused, text_of
