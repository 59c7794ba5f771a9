/* physics/registry.h - the physics this program knows: physics/list.h as a table. */
#pragma once
#include "sim/physics.h"

extern const gb_physics *const gb_physics_all[]; /* ends with NULL */
