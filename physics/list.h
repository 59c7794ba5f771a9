/* One line per physics: PHYSICS(name) means physics/name.c defines `const gb_physics gb_physics_name`.
 * CMake reads this file too. */
PHYSICS(xy)
PHYSICS(pendulum)
PHYSICS(advection_diffusion)
PHYSICS(galaxy)
PHYSICS(predator_prey)
PHYSICS(pen_dna)
PHYSICS(oligator)
PHYSICS(curves)
