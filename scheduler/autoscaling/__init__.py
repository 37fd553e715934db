"""How services scale by themselves: alarms, steps, targets and forecasts, all pure.

The one thing to know: nothing here reads a metric or a clock. Values come as whole thousandths of
the metric's unit, times from the log; so the same log gives the same sizes on any computer.
"""
