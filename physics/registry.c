/* physics/registry.c - the table behind physics/list.h. */
#include "registry.h"

#define PHYSICS(name) extern const gb_physics gb_physics_##name;
#include "list.h"
#undef PHYSICS

const gb_physics *const gb_physics_all[] = {
#define PHYSICS(name) &gb_physics_##name,
#include "list.h"
#undef PHYSICS
    NULL};
