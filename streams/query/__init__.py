"""The query process: MQL over live topics and their history, the console, the way to the api."""
