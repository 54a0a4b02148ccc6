"""案件移送: transfers in both directions under their clocks, with receipts that prove every hand-over."""
