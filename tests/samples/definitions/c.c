/* Copyright 2020, all rights reserved. */
#include <stdio.h>
#include "list.h"

#define MAX(a, b) \
    ((a) > (b) ? \
     (a) : (b))

/* A linked list. */
typedef struct list {
    struct node *head;
} list;

struct node {
    int value;
};

enum color { RED, GREEN };

static const int primes[] = {
    2, 3,
    5, 7,
};

#ifdef DEBUG
/*
 * Prints a list.
 */
static void list_print(const list *l) {
    printf("int fake(void) { /* no */ }"); // prints
}
#endif

/* Adds a value. */
int *list_add(list *l,
              int value)
{
    return push(l->head, value);
}

/* Frees it. */
void list_free(list *l);
