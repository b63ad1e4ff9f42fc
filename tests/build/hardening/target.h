// Functions with a mistake that their arguments bring out.
#pragma once
#include <cstddef>

// Copies length bytes into a buffer of as many bytes as `size` says, which is known at run time
// alone.
char copied_to_heap(const char* from, std::size_t length, std::size_t size);
// Copies a string of any length into a buffer of 16 bytes.
char copied_to_stack(const char* from);
// Returns an element of a vector of four.
int element(std::size_t index);
