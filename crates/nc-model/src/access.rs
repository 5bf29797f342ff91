//! Who may do what: owners, admins, members and strangers.

use crate::{GroupId, Role};

/// What a user is to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// An owner of the installation.
    pub owner: bool,
    /// An admin of this group or of all.
    pub admin: bool,
    /// A member of this group.
    pub member: bool,
}

impl Standing {
    /// What somebody with these roles and memberships is to `group`. A role of no group counts in all of them; one of
    /// another group, and a membership of another group, count for nothing.
    #[must_use]
    pub fn of(
        group: GroupId,
        roles: impl IntoIterator<Item = (Role, Option<GroupId>)>,
        memberships: impl IntoIterator<Item = GroupId>,
    ) -> Self {
        let mut standing = Self { member: memberships.into_iter().any(|of| of == group), ..Self::default() };
        for (role, of) in roles {
            let here = of.is_none_or(|of| of == group);
            standing.owner |= here && role == Role::Owner;
            standing.admin |= here && role == Role::Admin;
        }
        standing
    }

    /// Whether the user is known to the group at all.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.owner || self.admin || self.member
    }

    /// Whether the user may manage the group's agent: an owner, or an admin.
    #[must_use]
    pub fn may_manage(self) -> bool {
        self.owner || self.admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: GroupId = GroupId(1);
    const ELSEWHERE: GroupId = GroupId(2);

    type Roles<'a> = &'a [(Role, Option<GroupId>)];

    #[test]
    fn roles_count_where_they_were_given() {
        let (owner, admin, member) = ((true, true), (true, true), (true, false));
        let nobody = (false, false);
        let cases: [(Roles<'_>, &[GroupId], _); 10] = [
            (&[], &[], nobody),
            (&[(Role::Owner, None)], &[], owner),
            (&[(Role::Owner, Some(ELSEWHERE))], &[], nobody),
            (&[(Role::Admin, None)], &[], admin),
            (&[(Role::Admin, Some(HERE))], &[], admin),
            (&[(Role::Admin, Some(ELSEWHERE))], &[], nobody),
            (&[], &[HERE], member),
            (&[], &[ELSEWHERE], nobody),
            (&[(Role::Admin, Some(ELSEWHERE))], &[HERE], member),
            (&[(Role::Admin, Some(ELSEWHERE)), (Role::Owner, None)], &[ELSEWHERE], owner),
        ];
        for (roles, memberships, expected) in cases {
            let standing = Standing::of(HERE, roles.iter().copied(), memberships.iter().copied());
            assert_eq!((standing.is_known(), standing.may_manage()), expected, "{roles:?} {memberships:?}");
        }
    }
}
