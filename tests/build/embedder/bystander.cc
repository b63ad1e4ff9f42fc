// Has nothing to do with handoff.
int main() { return 0; }
