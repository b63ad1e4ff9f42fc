namespace handoff { int stub_until_merged = 0; }
