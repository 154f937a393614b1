/* The page of accounts: the forms are the server's; here only the dialog that adds a hospital. */

import { wireNewHospital } from "./new_hospital.js";

wireNewHospital(() => location.assign("/admin/users")); // the new one can then be chosen in every form
