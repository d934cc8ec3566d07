//! Real tables, with no option but the target and the columns to leave out: millstream against converged fits
//! (scikit-learn's) and one pass of Vowpal Wabbit, and against itself on the same rows in another order or in other
//! units. The tables are not part of the repository; where they are missing, the tests say so and pass.

mod goals;
mod invariance;
mod orders;
mod sparsity;
mod tables;
